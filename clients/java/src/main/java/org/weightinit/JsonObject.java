package org.weightinit;

import java.util.AbstractMap;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * An object of JSON: a map that cannot be changed. Its values are String, Long, BigInteger, Double, Boolean, List, JsonObject or null.
 * The methods of a type throw {@link NoSuchElementException} where there is no value of that type; {@link #get} answers any.
 */
public final class JsonObject extends AbstractMap<String, Object> {
    private final Map<String, Object> members;

    JsonObject(Map<String, Object> members) {
        this.members = Collections.unmodifiableMap(new LinkedHashMap<>(members));
    }

    /**
     * The text of that name.
     *
     * @param name of the member
     * @return its value
     */
    public String text(String name) {
        return value(name, String.class);
    }

    /**
     * The number of that name.
     *
     * @param name of the member
     * @return its value, rounded to a double
     */
    public double number(String name) {
        return value(name, Number.class).doubleValue();
    }

    /**
     * The object of that name.
     *
     * @param name of the member
     * @return its value
     */
    public JsonObject object(String name) {
        return value(name, JsonObject.class);
    }

    /**
     * The list of that name.
     *
     * @param name of the member
     * @return its value
     */
    public List<?> list(String name) {
        return value(name, List.class);
    }

    @Override
    public Object get(Object name) {
        return members.get(name);
    }

    @Override
    public Set<Entry<String, Object>> entrySet() {
        return members.entrySet();
    }

    private <T> T value(String name, Class<T> type) {
        Object value = get(name);
        if (!type.isInstance(value)) {
            throw new NoSuchElementException(name + ": expected a " + type.getSimpleName() + "; received " + value + ".");
        }
        return type.cast(value);
    }
}
