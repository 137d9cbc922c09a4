package org.weightinit;

/** A tensor in one array, in C order: the last index varies fastest. */
public sealed class Tensor permits Weights {
    private final long[] shape;
    private final Elements elements;

    Tensor(long[] shape, Elements elements) {
        this.shape = shape;
        this.elements = elements;
    }

    /**
     * Returns the length of each dimension.
     *
     * @return a copy of the shape; empty for a scalar
     */
    public long[] shape() {
        return shape.clone();
    }

    /**
     * Returns the element type.
     *
     * @return float32, float64, float16 or bfloat16
     */
    public String dtype() {
        return elements.dtype();
    }

    /**
     * Returns the values of a float32, float16 or bfloat16 tensor. float16 and bfloat16 convert exactly.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is float64
     */
    public float[] floats() {
        return elements.floats();
    }

    /**
     * Returns the values of a float64 tensor.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is not float64
     */
    public double[] doubles() {
        return elements.doubles();
    }

    /**
     * Returns the bits of a float16 or bfloat16 tensor, 16 for each value.
     *
     * @return the array itself, not a copy
     * @throws IllegalStateException if the dtype is not float16 or bfloat16
     */
    public short[] bits() {
        return elements.bits();
    }
}
