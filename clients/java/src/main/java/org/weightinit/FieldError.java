package org.weightinit;

/**
 * Describes what is wrong with one field of a request.
 *
 * @param field the path of the field, with dots between levels
 * @param expected what the field accepts
 * @param received what the request contained
 * @param action what to do
 */
public record FieldError(String field, String expected, String received, String action) {
    static FieldError of(JsonObject row) {
        return new FieldError(text(row, "field"), text(row, "expected"), text(row, "received"), text(row, "action"));
    }

    private static String text(JsonObject row, String name) {
        return String.valueOf(row.getOrDefault(name, ""));
    }
}
