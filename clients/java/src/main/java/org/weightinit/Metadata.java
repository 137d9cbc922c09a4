package org.weightinit;

import java.net.http.HttpHeaders;

/** How a tensor was made, as the header of its answer says. */
final class Metadata {
    static final String HEADER = "Weight-Init";

    private Metadata() {}

    static boolean isIn(HttpHeaders headers) {
        return headers.firstValue(HEADER).isPresent();
    }

    /** Throws WeightInitException. */
    static JsonObject of(HttpHeaders headers) {
        String text = headers.firstValue(HEADER).orElseThrow();
        JsonObject metadata = Json.objectOrNull(text);
        if (metadata == null) {
            throw WeightInitException.ofForeign(200, "a JSON object in the header " + HEADER, "'" + text + "'");
        }
        return metadata;
    }
}
