package org.weightinit;

/** Numbers with a shape, in one array in C order: the last index varies fastest. */
public sealed class Tensor permits Weights {
    private final long[] shape;
    private final Elements elements;

    Tensor(long[] shape, Elements elements) {
        this.shape = shape;
        this.elements = elements;
    }

    /**
     * The lengths of its dimensions; none for a scalar.
     *
     * @return a copy
     */
    public long[] shape() {
        return shape.clone();
    }

    /**
     * The type of its elements, as the service names it.
     *
     * @return float32, float64, float16 or bfloat16
     */
    public String dtype() {
        return elements.dtype();
    }

    /**
     * The values of float32, and those of float16 and bfloat16 widened without a change.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is float64
     */
    public float[] floats() {
        return elements.floats();
    }

    /**
     * The values of float64.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is another
     */
    public double[] doubles() {
        return elements.doubles();
    }

    /**
     * The values of float16 and bfloat16 as they are, 16 bits each.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is another
     */
    public short[] bits() {
        return elements.bits();
    }
}
