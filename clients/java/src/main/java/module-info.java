/** The Java client of weight-init, a service that generates initialized neural-network weights. */
module org.weightinit {
    requires java.net.http;

    exports org.weightinit;
}
