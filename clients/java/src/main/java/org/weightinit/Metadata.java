package org.weightinit;

import java.net.http.HttpHeaders;

/** Reads the metadata of a tensor from the response header. */
final class Metadata {
    static final String HEADER = "Weight-Init";

    private Metadata() {}

    static boolean isIn(HttpHeaders headers) {
        return headers.firstValue(HEADER).isPresent();
    }

    /** Parses the header. Throws WeightInitException if it is not a JSON object. */
    static JsonObject of(HttpHeaders headers) {
        String text = headers.firstValue(HEADER).orElseThrow();
        JsonObject metadata = Json.objectOrNull(text);
        if (metadata == null) {
            throw WeightInitException.unexpectedResponse(200, "a JSON object in the " + HEADER + " header", "'" + text + "'");
        }
        return metadata;
    }
}
