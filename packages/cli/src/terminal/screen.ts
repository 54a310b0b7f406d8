import type { OutputStream } from "../context.ts";
import { rowsOf } from "./size.ts";
import { write } from "./write.ts";

const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

/** The terminal's second screen, without a cursor: what was there before comes back when it is left. */
export class Screen {
  readonly #stream: OutputStream;
  readonly #leave = () => void this.#stream.write(LEAVE);

  constructor(stream: OutputStream) {
    this.#stream = stream;
    stream.write(ENTER);
    // Whatever ends this process, the shell behind it needs its terminal as it was.
    process.on("exit", this.#leave);
  }

  /** Drawn over what was there, so that nothing flickers. Lines that do not fit are left out. Throws ReaderGone. */
  async draw(text: string): Promise<void> {
    const lines = text.trimEnd().split("\n").slice(0, rowsOf(this.#stream));
    await write(this.#stream, HOME + lines.map((line) => line + CLEAR_LINE).join("\n") + CLEAR_BELOW);
  }

  leave(): void {
    process.off("exit", this.#leave);
    this.#leave();
  }
}
