package org.weightinit;

import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.NoSuchElementException;

/** A tensor while its bytes arrive: memory for all of it from the start, and no second copy. */
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
            throw WeightInitException.of("Unreadable Answer", unknown.getMessage() + " Is this client older than the service?", unknown);
        }
        checkLength(headers);
    }

    /** A proxy may have left the length out; then the end of the answer shows it. */
    private void checkLength(HttpHeaders headers) {
        long expected = (long) elements.length() * elements.itemsize();
        long announced = headers.firstValueAsLong("Content-Length").orElse(expected);
        if (announced != expected) {
            throw wrongLength(expected, announced + " of them", null);
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

    /** All of it. Throws WeightInitException when fewer bytes came than its shape needs. */
    Weights weights() {
        if (!elements.isFull()) {
            throw wrongLength((long) elements.length() * elements.itemsize(), "fewer", null);
        }
        return new Weights(shape, elements, metadata);
    }

    private WeightInitException wrongLength(long expected, String received, Throwable cause) {
        String detail = "Expected " + expected + " bytes of the shape " + Shapes.text(shape) + "; received " + received
                + ". Check the proxy, if there is one.";
        return WeightInitException.of("Wrong Length", detail, cause);
    }
}
