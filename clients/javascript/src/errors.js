/**
 * What is wrong with one field of a request. `field` is its place, with dots between levels.
 *
 * @typedef {{ field: string, expected: string, received: string, action: string }} FieldError
 */

/**
 * Any failure to get what was asked for. Its message is `detail`: what was expected, what was received and what to do.
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
    /** The status of HTTP; 0 where no answer came. */
    this.status = status;
    /** What kind of failure it is, in a few words. */
    this.title = title;
    /** An entry for each field at fault; empty when the failure is not that of a field. */
    this.errors = errors;
  }

  /** The same as `message`. */
  get detail() {
    return this.message;
  }
}

/**
 * A failure that asking again may overcome.
 *
 * @internal
 */
export class Setback extends Error {
  /**
   * @param {WeightInitError} error what it is for the caller, when it cannot be overcome
   * @param {number} [wait] the seconds after which the service wants to be asked again, if it says so
   */
  constructor(error, wait) {
    super(error.message);
    this.error = error;
    this.wait = wait;
  }
}
