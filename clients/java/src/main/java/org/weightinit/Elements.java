package org.weightinit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** An array that is filled from bytes as they arrive, in parts of any length. */
abstract sealed class Elements {
    /** The longest array. Some JVMs reserve header words, so it is less than Integer.MAX_VALUE. */
    static final int MAX_LENGTH = Integer.MAX_VALUE - 8;

    private final String dtype;
    private final int itemsize;
    private final ByteOrder order;
    private final ByteBuffer partial; // the first bytes of an incomplete element
    private int filled;

    private Elements(String dtype, int itemsize, ByteOrder order) {
        this.dtype = dtype;
        this.itemsize = itemsize;
        this.order = order;
        this.partial = ByteBuffer.allocate(itemsize);
    }

    /** Allocates an array of the dtype. Throws IllegalArgumentException for an unknown dtype. */
    static Elements of(String dtype, int count, ByteOrder order) {
        return switch (dtype) {
            case "float32" -> new Floats(count, order);
            case "float64" -> new Doubles(count, order);
            case "float16" -> new Halves(dtype, count, order, Widening::fromFloat16);
            case "bfloat16" -> new Halves(dtype, count, order, Widening::fromBfloat16);
            default -> throw new IllegalArgumentException(
                    "Expected the dtype float32, float64, float16 or bfloat16; received " + dtype + ".");
        };
    }

    /** Takes all bytes of the part. Throws IndexOutOfBoundsException if they do not fit. */
    final void accept(ByteBuffer part) {
        if (partial.position() > 0) {
            completePartial(part);
        }
        int complete = part.remaining() / itemsize * itemsize;
        take(part.slice(part.position(), complete));
        partial.put(part.position(part.position() + complete));
    }

    private void completePartial(ByteBuffer part) {
        while (partial.hasRemaining() && part.hasRemaining()) {
            partial.put(part.get());
        }
        if (!partial.hasRemaining()) {
            take(partial.flip());
            partial.clear();
        }
    }

    private void take(ByteBuffer complete) {
        int count = complete.remaining() / itemsize;
        put(complete.order(order), filled, count);
        filled += count;
    }

    final String dtype() {
        return dtype;
    }

    final int itemsize() {
        return itemsize;
    }

    final boolean isFull() {
        return filled == length() && partial.position() == 0;
    }

    /** Returns the elements, which are in Fortran order, in C order. */
    final Elements toCOrder(int[] shape) {
        Elements target = of(dtype, length(), order);
        int[] index = new int[shape.length];
        for (int to = 0; to < length(); to++) {
            target.copy(this, fortranIndex(index, shape), to);
            advance(index, shape);
        }
        return target;
    }

    private static int fortranIndex(int[] index, int[] shape) {
        int flatIndex = 0;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            flatIndex = flatIndex * shape[axis] + index[axis];
        }
        return flatIndex;
    }

    private static void advance(int[] index, int[] shape) {
        int axis = shape.length - 1;
        while (axis >= 0 && ++index[axis] == shape[axis]) {
            index[axis--] = 0;
        }
    }

    abstract int length();

    abstract void put(ByteBuffer bytes, int at, int count);

    abstract void copy(Elements source, int from, int to);

    float[] floats() {
        throw unavailable("floats()");
    }

    double[] doubles() {
        throw unavailable("doubles()");
    }

    short[] bits() {
        throw unavailable("bits()");
    }

    private IllegalStateException unavailable(String method) {
        String alternative = itemsize == 8 ? "doubles()" : itemsize == 4 ? "floats()" : "floats() or bits()";
        return new IllegalStateException("A tensor of dtype " + dtype + " has no " + method + ". Use " + alternative + ".");
    }

    private static final class Floats extends Elements {
        private final float[] values;

        private Floats(int count, ByteOrder order) {
            super("float32", Float.BYTES, order);
            values = new float[count];
        }

        @Override
        int length() {
            return values.length;
        }

        @Override
        void put(ByteBuffer bytes, int at, int count) {
            bytes.asFloatBuffer().get(values, at, count);
        }

        @Override
        void copy(Elements source, int from, int to) {
            values[to] = source.floats()[from];
        }

        @Override
        float[] floats() {
            return values;
        }
    }

    private static final class Doubles extends Elements {
        private final double[] values;

        private Doubles(int count, ByteOrder order) {
            super("float64", Double.BYTES, order);
            values = new double[count];
        }

        @Override
        int length() {
            return values.length;
        }

        @Override
        void put(ByteBuffer bytes, int at, int count) {
            bytes.asDoubleBuffer().get(values, at, count);
        }

        @Override
        void copy(Elements source, int from, int to) {
            values[to] = source.doubles()[from];
        }

        @Override
        double[] doubles() {
            return values;
        }
    }

    private static final class Halves extends Elements {
        private final short[] bits;
        private final float[] values;
        private final Widening widening;

        private Halves(String dtype, int count, ByteOrder order, Widening widening) {
            super(dtype, Short.BYTES, order);
            this.bits = new short[count];
            this.values = new float[count];
            this.widening = widening;
        }

        @Override
        int length() {
            return bits.length;
        }

        @Override
        void put(ByteBuffer bytes, int at, int count) {
            bytes.asShortBuffer().get(bits, at, count);
            for (int i = at; i < at + count; i++) {
                values[i] = widening.widen(bits[i]);
            }
        }

        @Override
        void copy(Elements source, int from, int to) {
            bits[to] = source.bits()[from];
            values[to] = source.floats()[from];
        }

        @Override
        float[] floats() {
            return values;
        }

        @Override
        short[] bits() {
            return bits;
        }
    }
}
