package org.weightinit;

import java.util.Arrays;

/** The lengths of dimensions. */
final class Shapes {
    private Shapes() {}

    /** The elements of a shape. Throws WeightInitException when a Java array cannot hold as many. */
    static int count(long[] shape) {
        long count = 1;
        for (long length : shape) {
            if (length < 0 || length > Elements.MOST || count * length > Elements.MOST) {
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
        return "Expected at most " + Elements.MOST + " elements, the most of a Java array; received the shape " + text(shape)
                + ". Ask for slices of it, or download it to a file.";
    }
}
