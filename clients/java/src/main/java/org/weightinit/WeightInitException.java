package org.weightinit;

import java.util.List;

/**
 * A request that the service refused, an answer that never came whole, or something else than a weight-init service that answered. Its
 * message is the detail: what was expected, what was received, and what to do.
 */
public final class WeightInitException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Of HTTP, or 0. */
    private final int status;

    /** In a few words. */
    private final String title;

    private final transient List<FieldError> errors;

    private WeightInitException(int status, String title, String detail, List<FieldError> errors, Throwable cause) {
        super(detail, cause);
        this.status = status;
        this.title = title;
        this.errors = List.copyOf(errors);
    }

    /** No answer, or none that can be used. */
    static WeightInitException of(String title, String detail, Throwable cause) {
        return new WeightInitException(0, title, detail, List.of(), cause);
    }

    /** The service's own words (RFC 9457). */
    static WeightInitException ofProblem(int status, JsonObject problem) {
        String title = String.valueOf(problem.getOrDefault("title", "Refused"));
        List<FieldError> errors = problem.get("errors") instanceof List<?> rows
                ? rows.stream().filter(JsonObject.class::isInstance).map(row -> FieldError.of((JsonObject) row)).toList()
                : List.of();
        return new WeightInitException(status, title, String.valueOf(problem.getOrDefault("detail", title)), errors, null);
    }

    /** An answer that is not one of weight-init: a proxy's own page, or another service's. */
    static WeightInitException ofForeign(int status, String expected, String received) {
        String detail = "Expected " + expected + "; received " + received + ". Is the URL that of a weight-init service?";
        return new WeightInitException(status, "Foreign Answer", detail, List.of(), null);
    }

    /**
     * The status of HTTP.
     *
     * @return 0 where no whole answer came
     */
    public int status() {
        return status;
    }

    /**
     * What kind of failure it is, in a few words.
     *
     * @return the title
     */
    public String title() {
        return title;
    }

    /**
     * What was expected, what was received, and what to do: the same as the message.
     *
     * @return the detail
     */
    public String detail() {
        return getMessage();
    }

    /**
     * The fields at fault.
     *
     * @return one entry for each; may be empty, and is in an exception that was serialized
     */
    public List<FieldError> errors() {
        return errors == null ? List.of() : errors;
    }
}
