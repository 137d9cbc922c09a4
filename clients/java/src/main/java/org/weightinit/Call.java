package org.weightinit;

/** A request to the service: a path, and the JSON body to POST, or null for a GET. */
record Call(String path, String body) {}
