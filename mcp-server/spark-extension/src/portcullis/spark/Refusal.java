package portcullis.spark;

/** Why a statement is not run, in a sentence for its caller. */
public final class Refusal extends RuntimeException {
  /** The data server knows refusals, and so that the check is installed, by this word. */
  static final String MARK = "[PORTCULLIS_READ_ONLY] ";

  private static final long serialVersionUID = 1L;

  Refusal(String sentence) {
    // Without a stack trace: the reason is in the sentence, and the way here is always the same.
    super(MARK + sentence, null, false, false);
  }
}
