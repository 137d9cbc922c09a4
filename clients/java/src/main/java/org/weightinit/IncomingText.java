package org.weightinit;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.util.List;

/** A short answer, kept as text: JSON, or the page of a stranger. */
final class IncomingText implements Sink {
    private static final int MOST_BYTES = 1 << 24;
    private static final int SHOWN = 80;

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
        if (bytes.size() > MOST_BYTES) {
            throw WeightInitException.ofForeign(0, "a short answer", "more than " + MOST_BYTES + " bytes that begin with " + beginning());
        }
    }

    /** The JSON object that it is. Throws WeightInitException. */
    JsonObject object() {
        JsonObject object = objectOrNull();
        if (object == null) {
            throw WeightInitException.ofForeign(200, "a JSON object", beginning());
        }
        return object;
    }

    /** The rows of that name in it. Throws WeightInitException. */
    List<JsonObject> rows(String name) {
        if (object().get(name) instanceof List<?> rows && rows.stream().allMatch(JsonObject.class::isInstance)) {
            return rows.stream().map(JsonObject.class::cast).toList();
        }
        throw WeightInitException.ofForeign(200, "a list of " + name, beginning());
    }

    /** The JSON object that it is, or null when it is none. */
    JsonObject objectOrNull() {
        return Json.objectOrNull(bytes.toString(UTF_8));
    }

    /** As much as an error shows. */
    String beginning() {
        String text = bytes.toString(UTF_8).strip();
        return "'" + (text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…") + "'";
    }
}
