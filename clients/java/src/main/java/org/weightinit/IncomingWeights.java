package org.weightinit;

import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.NoSuchElementException;

/** Receives a tensor. It allocates all memory at the start and makes no second copy. */
final class IncomingWeights implements Sink {
    private JsonObject metadata;
    private long[] shape;
    private Elements elements;

    @Override
    public boolean expects(HttpHeaders headers) {
        return Metadata.isIn(headers);
    }

    @Override
    public void begin(HttpHeaders headers) {
        metadata = Metadata.of(headers);
        try {
            shape = metadata.list("shape").stream().mapToLong(length -> ((Number) length).longValue()).toArray();
            elements = Elements.of(metadata.text("dtype"), Shapes.count(shape), ByteOrder.LITTLE_ENDIAN);
        } catch (NoSuchElementException | ClassCastException | IllegalArgumentException unknown) {
            String detail = unknown.getMessage() + " Update this client if it is older than the service.";
            throw WeightInitException.of("Unreadable Response", detail, unknown);
        }
        checkLength(headers);
    }

    /** Checks the announced length. A proxy may omit it; then the end of the response determines it. */
    private void checkLength(HttpHeaders headers) {
        long expected = (long) elements.length() * elements.itemsize();
        long announced = headers.firstValueAsLong("Content-Length").orElse(expected);
        if (announced != expected) {
            throw wrongLength(expected, String.valueOf(announced), null);
        }
    }

    @Override
    public void accept(ByteBuffer part) {
        try {
            elements.accept(part);
        } catch (IndexOutOfBoundsException overflow) {
            throw wrongLength((long) elements.length() * elements.itemsize(), "more", overflow);
        }
    }

    /** Returns the complete tensor. Throws WeightInitException if bytes are missing. */
    Weights weights() {
        if (!elements.isFull()) {
            throw wrongLength((long) elements.length() * elements.itemsize(), "fewer", null);
        }
        return new Weights(shape, elements, metadata);
    }

    private WeightInitException wrongLength(long expected, String received, Throwable cause) {
        String detail = "Expected " + expected + " bytes for the shape " + Shapes.text(shape) + "; received " + received
                + ". Check the proxy if you use one.";
        return WeightInitException.of("Wrong Length", detail, cause);
    }
}
