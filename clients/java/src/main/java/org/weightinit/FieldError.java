package org.weightinit;

/**
 * What is wrong with one field of a request.
 *
 * @param field its place, with dots between levels
 * @param expected what it takes
 * @param received what it was given
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
