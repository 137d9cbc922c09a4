package org.weightinit;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.time.Duration;

/** The connection settings for one service. */
final class Transport {
    private final String url;
    private final String apiKey;
    private final Duration timeout;
    private final int retries;
    private final HttpClient http;

    /** Throws IllegalArgumentException if a setting is invalid. */
    Transport(String url, String apiKey, Duration timeout, int retries) {
        if (!url.matches("https?://[^/?#\\s]+[^?#\\s]*")) {
            throw new IllegalArgumentException("url: expected a URL such as http://127.0.0.1:8000; received '" + url + "'.");
        }
        if (retries < 0) {
            throw new IllegalArgumentException("retries: expected 0 or more; received " + retries + ".");
        }
        this.url = url.replaceFirst("/+$", "");
        this.apiKey = apiKey;
        this.timeout = timeout;
        this.retries = retries;
        // Not HTTP/2: one tensor fills a connection, so multiplexing has no benefit.
        http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(timeout).build();
    }

    /** Sends the call and passes the complete response to the sink. Throws WeightInitException, and what the sink throws. */
    void fetch(Call call, Sink sink) {
        try {
            new Exchange(this, call, sink).complete();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw WeightInitException.of("Interrupted", "Interrupted while waiting for " + url + ".", interrupted);
        }
    }

    /** Returns the request of a call, without the range headers of an attempt. */
    HttpRequest.Builder request(Call call) {
        // Weights do not compress, and the length must match the shape.
        var request = HttpRequest.newBuilder(URI.create(url + call.path())).timeout(timeout).header("Accept-Encoding", "identity");
        if (apiKey != null) {
            request.header("Authorization", "Bearer " + apiKey);
        }
        if (call.body() != null) {
            request.header("Content-Type", "application/json").POST(BodyPublishers.ofString(call.body()));
        }
        return request;
    }

    HttpClient http() {
        return http;
    }

    String url() {
        return url;
    }

    Duration timeout() {
        return timeout;
    }

    int retries() {
        return retries;
    }
}
