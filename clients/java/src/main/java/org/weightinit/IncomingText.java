package org.weightinit;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.util.List;

/** Receives a short text: JSON, or the page of another service. */
final class IncomingText implements Sink {
    private static final int MAX_BYTES = 1 << 24;
    private static final int EXCERPT_CHARS = 80;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    @Override
    public boolean expects(HttpHeaders headers) {
        return true;
    }

    @Override
    public void begin(HttpHeaders headers) {
        bytes.reset();
    }

    @Override
    public void accept(ByteBuffer part) {
        byte[] copy = new byte[part.remaining()];
        part.get(copy);
        bytes.writeBytes(copy);
        if (bytes.size() > MAX_BYTES) {
            throw WeightInitException.unexpectedResponse(
                    0, "a short response", "more than " + MAX_BYTES + " bytes that begin with " + excerpt());
        }
    }

    /** Parses the text as a JSON object. Throws WeightInitException. */
    JsonObject object() {
        JsonObject object = objectOrNull();
        if (object == null) {
            throw WeightInitException.unexpectedResponse(200, "a JSON object", excerpt());
        }
        return object;
    }

    /** Parses the text as a JSON object, and returns its list of objects with this name. Throws WeightInitException. */
    List<JsonObject> objects(String name) {
        if (object().get(name) instanceof List<?> items && items.stream().allMatch(JsonObject.class::isInstance)) {
            return items.stream().map(JsonObject.class::cast).toList();
        }
        throw WeightInitException.unexpectedResponse(200, "a list of " + name, excerpt());
    }

    /** Parses the text as a JSON object; returns null for any other text. */
    JsonObject objectOrNull() {
        return Json.objectOrNull(bytes.toString(UTF_8));
    }

    /** Returns the beginning of the text, quoted for an error message. */
    String excerpt() {
        String text = bytes.toString(UTF_8).strip();
        return "'" + (text.length() <= EXCERPT_CHARS ? text : text.substring(0, EXCERPT_CHARS) + "…") + "'";
    }
}
