package org.weightinit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class ElementsTest {
    private static final double[] VALUES = {1.5, -2, 0.1, 1e-300, 3e300};

    @Test
    void acceptsPartsOfAnyLength() {
        for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
            for (int size = 1; size <= Double.BYTES * VALUES.length; size++) {
                Elements elements = Elements.of("float64", VALUES.length, order);
                ByteBuffer bytes = bytes(order);
                while (bytes.hasRemaining()) {
                    int length = Math.min(size, bytes.remaining());
                    elements.accept(bytes.slice(bytes.position(), length));
                    bytes.position(bytes.position() + length);
                }
                assertTrue(elements.isFull());
                assertArrayEquals(VALUES, elements.doubles());
            }
        }
    }

    @Test
    void detectsMissingAndExcessBytes() {
        Elements elements = Elements.of("float64", VALUES.length, ByteOrder.LITTLE_ENDIAN);
        elements.accept(bytes(ByteOrder.LITTLE_ENDIAN).limit(Double.BYTES * VALUES.length - 1));
        assertFalse(elements.isFull());
        elements.accept(ByteBuffer.allocate(1));
        assertTrue(elements.isFull());
        elements.accept(ByteBuffer.allocate(1));
        assertFalse(elements.isFull());
        assertThrows(IndexOutOfBoundsException.class, () -> elements.accept(ByteBuffer.allocate(Double.BYTES)));
    }

    @Test
    void rejectsAShapeThatExceedsAJavaArray() {
        for (long[] shape : new long[][] {{1L << 40}, {1L << 20, 1L << 20}, {1L << 62, 4, 0}}) {
            String detail = assertThrows(WeightInitException.class, () -> Shapes.count(shape)).detail();
            assertTrue(detail.contains("slices"), detail);
        }
    }

    private static ByteBuffer bytes(ByteOrder order) {
        var bytes = ByteBuffer.allocate(Double.BYTES * VALUES.length).order(order);
        bytes.asDoubleBuffer().put(VALUES);
        return bytes;
    }
}
