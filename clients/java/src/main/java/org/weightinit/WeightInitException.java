package org.weightinit;

import java.util.List;

/**
 * Thrown if the service rejects a request, if the response is incomplete, or if it does not come from weight-init. The message is the
 * detail: what was expected, what was received and what to do.
 */
public final class WeightInitException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The HTTP status, or 0. */
    private final int status;

    /** The kind of failure. */
    private final String title;

    private final transient List<FieldError> errors;

    private WeightInitException(int status, String title, String detail, List<FieldError> errors, Throwable cause) {
        super(detail, cause);
        this.status = status;
        this.title = title;
        this.errors = List.copyOf(errors);
    }

    /** Creates an exception without a status, for a missing or unusable response. */
    static WeightInitException of(String title, String detail, Throwable cause) {
        return new WeightInitException(0, title, detail, List.of(), cause);
    }

    /** Creates an exception from a problem document of the service (RFC 9457). */
    static WeightInitException ofProblem(int status, JsonObject problem) {
        String title = String.valueOf(problem.getOrDefault("title", "Rejected"));
        List<FieldError> errors = problem.get("errors") instanceof List<?> items
                ? items.stream().filter(JsonObject.class::isInstance).map(item -> FieldError.of((JsonObject) item)).toList()
                : List.of();
        return new WeightInitException(status, title, String.valueOf(problem.getOrDefault("detail", title)), errors, null);
    }

    /** Creates an exception for a response that does not come from weight-init, such as an error page of a proxy. */
    static WeightInitException unexpectedResponse(int status, String expected, String received) {
        String detail = "Expected " + expected + "; received " + received + ". Check that this is the URL of a weight-init service.";
        return new WeightInitException(status, "Unexpected Response", detail, List.of(), null);
    }

    /**
     * Returns the HTTP status.
     *
     * @return the status, or 0 if there was no complete response
     */
    public int status() {
        return status;
    }

    /**
     * Returns the kind of failure, in a few words.
     *
     * @return the title
     */
    public String title() {
        return title;
    }

    /**
     * Returns what was expected, what was received and what to do. This is also the message.
     *
     * @return the detail
     */
    public String detail() {
        return getMessage();
    }

    /**
     * Returns an entry for each invalid field.
     *
     * @return the entries; often empty, and always empty in a deserialized exception
     */
    public List<FieldError> errors() {
        return errors == null ? List.of() : errors;
    }
}
