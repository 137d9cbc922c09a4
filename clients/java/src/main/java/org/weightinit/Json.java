package org.weightinit;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads and writes JSON (RFC 8259). Integers become Long or BigInteger and keep every digit; other numbers become Double. */
final class Json {
    private static final Pattern NUMBER = Pattern.compile("-?(?:0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?");
    private static final Pattern PLAIN = Pattern.compile("[^\"\\\\\\x00-\\x1f]*");
    private static final Pattern HEXADECIMAL = Pattern.compile("[0-9a-fA-F]{4}");
    private static final String ESCAPES = "\"\\/bfnrt";
    private static final String UNESCAPED = "\"\\/\b\f\n\r\t";
    private static final int MAX_DEPTH = 500;

    private final String text;
    private int at;
    private int depth;

    private Json(String text) {
        this.text = text;
    }

    /** Parses a value. Throws IllegalArgumentException if the text is not valid JSON. */
    static Object read(String text) {
        var json = new Json(text);
        Object value = json.value();
        json.check(json.at == text.length(), "the end");
        return value;
    }

    /** Parses an object; returns null for any other text. */
    static JsonObject objectOrNull(String text) {
        try {
            return read(text) instanceof JsonObject object ? object : null;
        } catch (IllegalArgumentException invalid) {
            return null;
        }
    }

    /** Formats null, text, a boolean, a finite number, a collection or a map. Throws IllegalArgumentException for anything else. */
    static String write(Object value) {
        if (value instanceof CharSequence text) {
            return quote(text.toString());
        }
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(member -> quote(member.getKey().toString()) + ":" + write(member.getValue()))
                    .collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof Collection<?> items) {
            return items.stream().map(Json::write).collect(Collectors.joining(",", "[", "]"));
        }
        if (value == null || value instanceof Boolean || value instanceof Number number && isFinite(number)) {
            return String.valueOf(value);
        }
        throw new IllegalArgumentException(
                "Expected text, a finite number, a boolean, a list or a map; received " + value + " (" + value.getClass().getName() + ").");
    }

    /** Formats a value for a URL query: text without quotes, anything else as JSON. */
    static String queryText(Object value) {
        return value instanceof CharSequence text ? text.toString() : write(value);
    }

    private static boolean isFinite(Number number) {
        return number instanceof BigInteger || number instanceof BigDecimal || Double.isFinite(number.doubleValue());
    }

    private static String quote(String text) {
        var quoted = new StringBuilder("\"");
        for (char letter : text.toCharArray()) {
            if (letter == '"' || letter == '\\') {
                quoted.append('\\').append(letter);
            } else if (letter < ' ') {
                quoted.append(String.format("\\u%04x", (int) letter));
            } else {
                quoted.append(letter);
            }
        }
        return quoted.append('"').toString();
    }

    private Object value() {
        skipSpace();
        check(at < text.length(), "a value");
        Object value = switch (text.charAt(at)) {
            case '{' -> nested(this::object);
            case '[' -> nested(this::list);
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
        skipSpace();
        return value;
    }

    private <T> T nested(Supplier<T> reader) {
        check(++depth <= MAX_DEPTH, "at most " + MAX_DEPTH + " levels");
        T value = reader.get();
        depth--;
        return value;
    }

    private JsonObject object() {
        var members = new LinkedHashMap<String, Object>();
        items('{', '}', () -> {
            skipSpace();
            String name = string();
            skipSpace();
            check(skip(':'), ":");
            members.put(name, value());
        });
        return new JsonObject(members);
    }

    private List<Object> list() {
        var items = new ArrayList<Object>();
        items('[', ']', () -> items.add(value()));
        return Collections.unmodifiableList(items);
    }

    private void items(char open, char close, Runnable item) {
        skip(open);
        skipSpace();
        if (skip(close)) {
            return;
        }
        do {
            item.run();
        } while (skip(','));
        check(skip(close), close + " or ,");
    }

    private String string() {
        check(skip('"'), "\"");
        var string = new StringBuilder();
        while (true) {
            string.append(match(PLAIN, "text").group());
            if (skip('"')) {
                return string.toString();
            }
            check(skip('\\') && at < text.length(), "\"");
            string.append(unescape(text.charAt(at++)));
        }
    }

    private char unescape(char letter) {
        if (letter == 'u') {
            return (char) Integer.parseInt(match(HEXADECIMAL, "four hexadecimal digits").group(), 16);
        }
        int index = ESCAPES.indexOf(letter);
        check(index >= 0, "an escape");
        return UNESCAPED.charAt(index);
    }

    private Object word(String word, Object meaning) {
        check(text.startsWith(word, at), word);
        at += word.length();
        return meaning;
    }

    private Number number() {
        Matcher number = match(NUMBER, "a value");
        if (number.group(1) != null || number.group(2) != null) {
            return Double.valueOf(number.group());
        }
        var integer = new BigInteger(number.group());
        return integer.bitLength() < Long.SIZE ? (Number) integer.longValue() : integer;
    }

    private Matcher match(Pattern pattern, String expected) {
        Matcher matcher = pattern.matcher(text).region(at, text.length());
        check(matcher.lookingAt(), expected);
        at = matcher.end();
        return matcher;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean skip(char letter) {
        boolean found = at < text.length() && text.charAt(at) == letter;
        at += found ? 1 : 0;
        return found;
    }

    private void check(boolean valid, String expected) {
        if (!valid) {
            throw new IllegalArgumentException("JSON: expected " + expected + " at character " + at + ".");
        }
    }
}
