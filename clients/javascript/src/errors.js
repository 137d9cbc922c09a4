/**
 * An error in one field of a request. `field` is its path, with dots between levels.
 *
 * @typedef {{ field: string, expected: string, received: string, action: string }} FieldError
 */

/**
 * The error of a failed request. Its message, `detail`, says what was expected, what was received and what to do.
 */
export class WeightInitError extends Error {
  /**
   * @param {string} title
   * @param {string} detail
   * @param {{ status?: number, errors?: FieldError[], cause?: unknown }} [more]
   */
  constructor(title, detail, { status = 0, errors = [], cause } = {}) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = "WeightInitError";
    /** The HTTP status, or 0 if no response arrived. */
    this.status = status;
    /** The kind of failure, in a few words. */
    this.title = title;
    /** An entry for each field at fault; empty if no field is. */
    this.errors = errors;
  }

  /** The same as `message`. */
  get detail() {
    return this.message;
  }
}

/**
 * A failure that a retry may overcome.
 *
 * @internal
 */
export class RetryableError extends Error {
  /**
   * @param {WeightInitError} error the error for the caller, if the retries fail too
   * @param {number} [waitSeconds] how long to wait before the retry, if the service says so
   */
  constructor(error, waitSeconds) {
    super(error.message);
    this.error = error;
    this.waitSeconds = waitSeconds;
  }
}
