package org.weightinit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Computes SHA-256 digests in hexadecimal. */
final class Digest {
    private Digest() {}

    static String of(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every JVM supports SHA-256", impossible);
        }
    }

    /** Returns the digest of the values as little-endian bytes. */
    static String of(Tensor tensor) {
        ByteBuffer bytes;
        switch (tensor.dtype()) {
            case "float32" -> (bytes = bytes(Float.BYTES * tensor.floats().length)).asFloatBuffer().put(tensor.floats());
            case "float64" -> (bytes = bytes(Double.BYTES * tensor.doubles().length)).asDoubleBuffer().put(tensor.doubles());
            default -> (bytes = bytes(Short.BYTES * tensor.bits().length)).asShortBuffer().put(tensor.bits());
        }
        return of(bytes.array());
    }

    private static ByteBuffer bytes(int count) {
        return ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    }
}
