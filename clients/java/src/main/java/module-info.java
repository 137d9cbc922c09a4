/** The Java client of weight-init: initialized neural-network weights as Java arrays. */
module org.weightinit {
    requires java.net.http;

    exports org.weightinit;
}
