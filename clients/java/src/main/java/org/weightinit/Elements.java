package org.weightinit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The array that bytes become: they are copied into it as they arrive, wherever they were cut apart. */
abstract sealed class Elements {
    /** Of an array; some Java machines keep words of it for themselves. */
    static final int MOST = Integer.MAX_VALUE - 8;

    private final String dtype;
    private final int itemsize;
    private final ByteOrder order;
    private final ByteBuffer cut; // the beginning of an element whose end has not arrived
    private int filled;

    private Elements(String dtype, int itemsize, ByteOrder order) {
        this.dtype = dtype;
        this.itemsize = itemsize;
        this.order = order;
        this.cut = ByteBuffer.allocate(itemsize);
    }

    /** Memory for all of them. Throws IllegalArgumentException for a dtype that is none of the four. */
    static Elements of(String dtype, int count, ByteOrder order) {
        return switch (dtype) {
            case "float32" -> new Floats(count, order);
            case "float64" -> new Doubles(count, order);
            case "float16" -> new Halves(dtype, count, order, Widening::fromFloat16);
            case "bfloat16" -> new Halves(dtype, count, order, Widening::fromBfloat16);
            default -> throw new IllegalArgumentException(
                    "Expected a dtype among float32, float64, float16, bfloat16; received " + dtype + ".");
        };
    }

    /** Take the next bytes, all of them. Throws IndexOutOfBoundsException when they are more than fit. */
    final void accept(ByteBuffer part) {
        if (cut.position() > 0) {
            complete(part);
        }
        int whole = part.remaining() / itemsize * itemsize;
        take(part.slice(part.position(), whole));
        cut.put(part.position(part.position() + whole));
    }

    private void complete(ByteBuffer part) {
        while (cut.hasRemaining() && part.hasRemaining()) {
            cut.put(part.get());
        }
        if (!cut.hasRemaining()) {
            take(cut.flip());
            cut.clear();
        }
    }

    private void take(ByteBuffer whole) {
        int count = whole.remaining() / itemsize;
        put(whole.order(order), filled, count);
        filled += count;
    }

    final String dtype() {
        return dtype;
    }

    final int itemsize() {
        return itemsize;
    }

    final boolean isFull() {
        return filled == length() && cut.position() == 0;
    }

    /** The same elements, of Fortran order, in C order. */
    final Elements transposed(int[] shape) {
        Elements target = of(dtype, length(), order);
        int[] index = new int[shape.length];
        for (int to = 0; to < length(); to++) {
            target.copy(this, fortranPlace(index, shape), to);
            advance(index, shape);
        }
        return target;
    }

    private static int fortranPlace(int[] index, int[] shape) {
        int place = 0;
        for (int axis = shape.length - 1; axis >= 0; axis--) {
            place = place * shape[axis] + index[axis];
        }
        return place;
    }

    private static void advance(int[] index, int[] shape) {
        int axis = shape.length - 1;
        while (axis >= 0 && ++index[axis] == shape[axis]) {
            index[axis--] = 0;
        }
    }

    abstract int length();

    abstract void put(ByteBuffer whole, int at, int count);

    abstract void copy(Elements source, int from, int to);

    float[] floats() {
        throw notOf("floats()");
    }

    double[] doubles() {
        throw notOf("doubles()");
    }

    short[] bits() {
        throw notOf("bits()");
    }

    private IllegalStateException notOf(String method) {
        String others = itemsize == 8 ? "doubles()" : itemsize == 4 ? "floats()" : "floats() or bits()";
        return new IllegalStateException("A tensor of " + dtype + " has no " + method + ". Take " + others + ".");
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
        void put(ByteBuffer whole, int at, int count) {
            whole.asFloatBuffer().get(values, at, count);
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
        void put(ByteBuffer whole, int at, int count) {
            whole.asDoubleBuffer().get(values, at, count);
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
        void put(ByteBuffer whole, int at, int count) {
            whole.asShortBuffer().get(bits, at, count);
            for (int i = at; i < at + count; i++) {
                values[i] = widening.widened(bits[i]);
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
