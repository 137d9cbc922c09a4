package org.weightinit;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;

/**
 * One call and its complete response. It retries while the service is busy, and resumes the response where a connection broke. It does not
 * retry after a timeout.
 */
final class Exchange {
    private static final long FIRST_PAUSE_MS = 100;
    private static final int MAX_DOUBLINGS = 8;
    private static final long MAX_WAIT_S = 60;
    private static final int OK = 200;
    private static final int PARTIAL_CONTENT = 206;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final int SERVICE_UNAVAILABLE = 503;

    private final Transport transport;
    private final Call call;
    private final Sink sink;
    private String etag; // null if the response cannot be resumed
    private long length; // of the whole response; -1 if unknown
    private long received;
    private long furthest;
    private int failures; // in a row

    Exchange(Transport transport, Call call, Sink sink) {
        this.transport = transport;
        this.call = call;
        this.sink = sink;
    }

    /** Runs until the sink has the complete response. Throws WeightInitException, and what the sink throws. */
    void complete() throws InterruptedException {
        boolean done = false;
        while (!done) {
            try {
                done = attempt();
            } catch (HttpTimeoutException timeout) {
                throw WeightInitException.of("Timeout", timeoutDetail(), timeout);
            } catch (IOException broken) {
                pauseAfter(broken);
            }
        }
    }

    /** Returns whether the response is complete; if not, the caller must retry. */
    private boolean attempt() throws IOException, InterruptedException {
        var response = transport.http().send(request(), BodyHandlers.ofPublisher());
        try (var body = new Body(response.body(), transport.timeout())) {
            if (response.statusCode() == OK && sink.expects(response.headers())) {
                begin(response.headers());
            } else if (response.statusCode() == PARTIAL_CONTENT && received > 0) {
                checkRange(response.headers());
            } else {
                waitOrThrow(response, body);
                return false;
            }
            body.readTo(this::accept);
            checkComplete();
            return true;
        }
    }

    private HttpRequest request() {
        var request = transport.request(call);
        if (etag != null && received > 0) {
            request.header("Range", "bytes=" + received + "-").header("If-Range", etag);
        }
        return request.build();
    }

    private void begin(HttpHeaders headers) {
        boolean resumable = headers.firstValue("Accept-Ranges").filter("bytes"::equals).isPresent();
        etag = headers.firstValue("ETag").filter(tag -> resumable && tag.startsWith("\"")).orElse(null);
        length = headers.firstValueAsLong("Content-Length").orElse(-1);
        received = 0;
        sink.begin(headers);
    }

    private void checkRange(HttpHeaders headers) {
        String range = headers.firstValue("Content-Range").orElse("no range");
        String tag = headers.firstValue("ETag").orElse("no ETag");
        if (!range.startsWith("bytes " + received + "-") || !tag.equals(etag)) {
            throw WeightInitException.of(
                    "Wrong Range",
                    "Expected the rest of " + etag + " from byte " + received + "; received " + range + " of " + tag + ". Try again.",
                    null);
        }
    }

    private void accept(ByteBuffer part) {
        int size = part.remaining();
        sink.accept(part);
        received += size;
    }

    private void checkComplete() throws EOFException {
        if (length >= 0 && received != length) {
            throw new EOFException("received " + received + " of " + length + " bytes");
        }
    }

    /** Waits if the service is busy; otherwise throws the error that the response describes. */
    private void waitOrThrow(HttpResponse<?> response, Body body) throws IOException, InterruptedException {
        var text = new IncomingText();
        body.readTo(text::accept);
        int status = response.statusCode();
        boolean busy = status == TOO_MANY_REQUESTS || status == SERVICE_UNAVAILABLE;
        long waitSeconds = response.headers().firstValue("Retry-After").map(Exchange::parseRetryAfter).orElse(1L);
        if (!busy || failures >= transport.retries() || waitSeconds > MAX_WAIT_S) {
            throw error(response, text);
        }
        failures++;
        Thread.sleep(1000 * waitSeconds);
    }

    private static long parseRetryAfter(String retryAfter) {
        return retryAfter.matches("\\d{1,18}") ? Long.parseLong(retryAfter) : 1;
    }

    private static WeightInitException error(HttpResponse<?> response, IncomingText text) {
        String type = response.headers().firstValue("Content-Type").orElse("no content type");
        JsonObject problem = type.startsWith("application/problem+json") ? text.objectOrNull() : null;
        if (problem != null) {
            return WeightInitException.ofProblem(response.statusCode(), problem);
        }
        String expected = response.statusCode() == OK ? "the " + Metadata.HEADER + " header" : "a response from weight-init";
        String received = response.statusCode() + " with " + text.excerpt() + " (" + type + ")";
        return WeightInitException.unexpectedResponse(response.statusCode(), expected, received);
    }

    /** Doubles the pause after each failure. An attempt that received more than all before it resets the count. */
    private void pauseAfter(IOException broken) throws InterruptedException {
        if (received > furthest) {
            furthest = received;
            failures = 0;
        }
        if (failures >= transport.retries()) {
            throw WeightInitException.of("No Response", incompleteDetail(broken), broken);
        }
        Thread.sleep(FIRST_PAUSE_MS << Math.min(failures, MAX_DOUBLINGS));
        failures++;
    }

    private String incompleteDetail(IOException broken) {
        if (broken instanceof ConnectException) {
            return "No service answers at " + transport.url() + " (" + broken
                    + "). Start it with `weight-init serve`, or correct the client's URL.";
        }
        return "The connection to " + transport.url() + " broke before the response was complete (" + broken.getMessage() + "). Try again.";
    }

    private String timeoutDetail() {
        String seconds = String.format("%s", transport.timeout().toMillis() / 1000.0).replaceFirst("\\.0$", "");
        return "Received nothing from " + transport.url() + " for " + seconds + " s. Try again, or set a longer timeout.";
    }
}
