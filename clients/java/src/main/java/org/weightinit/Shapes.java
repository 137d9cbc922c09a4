package org.weightinit;

import java.util.Arrays;

/** Helpers for shapes. */
final class Shapes {
    private Shapes() {}

    /** Returns the number of elements of a shape. Throws WeightInitException if they do not fit in a Java array. */
    static int count(long[] shape) {
        long count = 1;
        for (long length : shape) {
            if (length < 0 || length > Elements.MAX_LENGTH || count * length > Elements.MAX_LENGTH) {
                throw WeightInitException.of("Too Large", tooLarge(shape), null);
            }
            count *= length;
        }
        return (int) count;
    }

    static String text(long[] shape) {
        return Arrays.toString(shape);
    }

    private static String tooLarge(long[] shape) {
        return "Expected at most " + Elements.MAX_LENGTH + " elements, the limit of a Java array; received the shape " + text(shape)
                + ". Request slices, or download to a file.";
    }
}
