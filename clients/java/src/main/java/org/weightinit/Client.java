package org.weightinit;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A client for a weight-init service. It is thread-safe, reuses its connections, and does not need to be closed.
 *
 * <p>If the service is busy (429 or 503), the client waits as long as the service asks and retries. If a connection breaks, the client
 * resumes the response. Every method throws {@link WeightInitException} if the service rejects the request or does not return a complete
 * response.
 */
public final class Client {
    private final Transport transport;

    /** Creates a client with the default settings; see {@link Builder}. */
    public Client() {
        this(builder());
    }

    private Client(Builder builder) {
        transport = new Transport(builder.url, builder.apiKey, builder.timeout, builder.retries);
    }

    /**
     * Returns a builder for a client with other settings.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns an initialized tensor, received directly into its array. It can have at most 2<sup>31</sup> - 9 elements. For a larger one,
     * request slices or use {@link #download}.
     *
     * @param request the request; its format is ignored
     * @return the tensor
     * @throws WeightInitException if the service rejects the request or does not return a complete response
     */
    public Weights init(Request request) {
        var incoming = new IncomingWeights();
        transport.fetch(init(request.format("raw").fields()), incoming);
        return incoming.weights();
    }

    /**
     * Writes an initialized tensor of any size to a file, in constant memory. The file appears under its name only when it is complete.
     * After an error nothing is left behind.
     *
     * @param path the file; if the request has no format, the extension selects it: .npy, .safetensors, .npz, .json, or .bin for raw bytes
     * @param request the request
     * @return the metadata, as in {@link Weights#metadata}
     * @throws IOException if the file cannot be written
     * @throws WeightInitException if the service rejects the request or does not return a complete response
     */
    public JsonObject download(Path path, Request request) throws IOException {
        Request complete = request.fields().containsKey("format") ? request : request.format(formatOf(path));
        try (var incoming = new IncomingFile(path)) {
            transport.fetch(init(complete.fields()), incoming);
            return incoming.commit();
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
    }

    /**
     * Returns the scheme that suits an activation, with the reason, a reference and alternatives.
     *
     * @param activation the name of an activation
     * @return an object with scheme, formula, gain, bias, reason, reference ...
     * @throws WeightInitException if the service rejects the request or does not return a complete response
     */
    public JsonObject recommend(String activation) {
        return recommend(activation, Map.of());
    }

    /**
     * Returns the scheme that suits an activation, given more fields: the fans, a distribution, or the parameters of the activation. With
     * the fans, the result includes stddev and bound.
     *
     * @param activation the name of an activation
     * @param fields more fields, such as {@code Map.of("fan_in", 784)}
     * @return an object with scheme, formula, stddev, bound, gain, bias, reason, reference ...
     * @throws WeightInitException if the service rejects the request or does not return a complete response
     */
    public JsonObject recommend(String activation, Map<String, ?> fields) {
        var complete = new LinkedHashMap<String, Object>(fields);
        complete.put("activation", activation);
        return recommend(complete);
    }

    /**
     * Returns the scheme that suits a layer, given any fields: for example its role in the network, or an activation as a formula.
     *
     * @param fields the fields, such as {@code Map.of("layer", "residual_output", "num_layers", 12)}
     * @return an object with scheme, formula, reason, reference ...
     * @throws WeightInitException if the service rejects the request or does not return a complete response
     */
    public JsonObject recommend(Map<String, ?> fields) {
        String query = fields.entrySet().stream()
                .map(field -> urlEncode(field.getKey()) + "=" + urlEncode(Json.queryText(field.getValue())))
                .collect(Collectors.joining("&"));
        return get("/recommend?" + query).object();
    }

    /**
     * Returns all schemes with their names, parameters, formulas and references.
     *
     * @return an object for each scheme
     * @throws WeightInitException if the service does not return a complete response
     */
    public List<JsonObject> schemes() {
        return get("/schemes").objects("schemes");
    }

    /**
     * Returns all activations with their names, parameters, gains and recommended schemes.
     *
     * @return an object for each activation
     * @throws WeightInitException if the service does not return a complete response
     */
    public List<JsonObject> activations() {
        return get("/activations").objects("activations");
    }

    private static String urlEncode(String text) {
        return URLEncoder.encode(text, UTF_8);
    }

    private IncomingText get(String path) {
        var incoming = new IncomingText();
        transport.fetch(new Call(path, null), incoming);
        return incoming;
    }

    private static Call init(Map<String, Object> fields) {
        return new Call("/init", Json.write(fields));
    }

    /** Returns the format that the extension selects, or null without an extension. The service rejects an unknown format. */
    private static String formatOf(Path path) {
        String name = String.valueOf(path.getFileName());
        int dot = name.lastIndexOf('.');
        String extension = dot < 1 ? null : name.substring(dot + 1);
        return "bin".equals(extension) ? "raw" : extension;
    }

    /** The settings of a client. */
    public static final class Builder {
        private String url = fromEnvironment("WEIGHT_INIT_URL", "http://127.0.0.1:8000");
        private String apiKey = fromEnvironment("WEIGHT_INIT_API_KEY", null);
        private Duration timeout = Duration.ofSeconds(30);
        private int retries = 4;

        private Builder() {}

        /**
         * Sets the URL of the service. The default is the environment variable WEIGHT_INIT_URL, or http://127.0.0.1:8000 if it is unset.
         *
         * @param url the URL
         * @return this builder
         */
        public Builder url(String url) {
            this.url = url;
            return this;
        }

        /**
         * Sets the API key. The default is the environment variable WEIGHT_INIT_API_KEY.
         *
         * @param apiKey the key, or null to send none
         * @return this builder
         */
        public Builder apiKey(String apiKey) {
            this.apiKey = apiKey;
            return this;
        }

        /**
         * Limits the wait for a response and for each part of it, but not the whole transfer. The default is 30 seconds.
         *
         * @param timeout the longest wait
         * @return this builder
         */
        public Builder timeout(Duration timeout) {
            this.timeout = timeout;
            return this;
        }

        /**
         * Sets how many times in a row to retry when the service is busy or the connection breaks. New data resets the count. The default
         * is 4.
         *
         * @param retries the number of retries
         * @return this builder
         */
        public Builder retries(int retries) {
            this.retries = retries;
            return this;
        }

        /**
         * Creates the client. It does not connect before the first request.
         *
         * @return a new client
         * @throws IllegalArgumentException if the URL is not an HTTP URL, the timeout is not positive, or the retries are negative
         */
        public Client build() {
            return new Client(this);
        }

        private static String fromEnvironment(String name, String fallback) {
            String value = System.getenv(name);
            return value == null || value.isBlank() ? fallback : value;
        }
    }
}
