package org.weightinit;

import java.util.AbstractMap;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * A JSON object, as an unmodifiable map. Its values are String, Long, BigInteger, Double, Boolean, List, JsonObject or null. The typed
 * getters throw {@link NoSuchElementException} if there is no value of that type. {@link #get} returns a value of any type.
 */
public final class JsonObject extends AbstractMap<String, Object> {
    private final Map<String, Object> members;

    JsonObject(Map<String, Object> members) {
        this.members = Collections.unmodifiableMap(new LinkedHashMap<>(members));
    }

    /**
     * Returns the text of a member.
     *
     * @param name the name of the member
     * @return its value
     */
    public String text(String name) {
        return value(name, String.class);
    }

    /**
     * Returns the number of a member.
     *
     * @param name the name of the member
     * @return its value, rounded to a double
     */
    public double number(String name) {
        return value(name, Number.class).doubleValue();
    }

    /**
     * Returns the object of a member.
     *
     * @param name the name of the member
     * @return its value
     */
    public JsonObject object(String name) {
        return value(name, JsonObject.class);
    }

    /**
     * Returns the list of a member.
     *
     * @param name the name of the member
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
