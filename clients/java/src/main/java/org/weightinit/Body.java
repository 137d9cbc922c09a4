package org.weightinit;

import java.io.IOException;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** A response body. Each part must arrive within the timeout. Closing the body before its end cancels the rest. */
final class Body implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {
    private final long timeoutNanos;
    private final CompletableFuture<Flow.Subscription> subscription = new CompletableFuture<>();
    private final CompletableFuture<Void> end = new CompletableFuture<>();
    private volatile Consumer<ByteBuffer> consumer;
    private volatile long lastPartAt;

    Body(Flow.Publisher<List<ByteBuffer>> publisher, Duration timeout) {
        timeoutNanos = timeout.toNanos();
        publisher.subscribe(this);
    }

    /** Passes each part to the consumer and waits for the last. Throws HttpTimeoutException, IOException, and what the consumer throws. */
    void readTo(Consumer<ByteBuffer> next) throws IOException, InterruptedException {
        consumer = next;
        lastPartAt = System.nanoTime();
        requestPart();
        while (!ended(lastPartAt + timeoutNanos - System.nanoTime())) {
            if (System.nanoTime() - lastPartAt >= timeoutNanos) {
                throw new HttpTimeoutException("no part of the response within the timeout");
            }
        }
    }

    private boolean ended(long withinNanos) throws IOException, InterruptedException {
        try {
            end.get(withinNanos, TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException notEnded) {
            return false;
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof RuntimeException consumerFailure) {
                throw consumerFailure;
            }
            throw new IOException(failure.getCause().getMessage(), failure.getCause());
        }
    }

    @Override
    public void onSubscribe(Flow.Subscription newSubscription) {
        subscription.complete(newSubscription);
    }

    @Override
    public void onNext(List<ByteBuffer> parts) {
        lastPartAt = System.nanoTime();
        try {
            parts.forEach(consumer);
        } catch (RuntimeException failure) {
            end.completeExceptionally(failure);
            return;
        }
        lastPartAt = System.nanoTime();
        requestPart(); // one at a time, so that at most one part is in memory
    }

    @Override
    public void onError(Throwable failure) {
        end.completeExceptionally(failure);
    }

    @Override
    public void onComplete() {
        end.complete(null);
    }

    @Override
    public void close() {
        if (!end.isDone() || end.isCompletedExceptionally()) {
            subscription.thenAccept(Flow.Subscription::cancel);
        }
    }

    private void requestPart() {
        subscription.thenAccept(active -> active.request(1));
    }
}
