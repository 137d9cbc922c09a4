package org.weightinit;

/** What is asked: a path of the service, and the JSON that is posted to it; null to get it. */
record Call(String path, String body) {}
