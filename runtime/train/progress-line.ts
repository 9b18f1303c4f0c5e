/** What is said of training while it runs: `120 of 600 steps, loss 0.0123, 3.4 steps/s, 2 min left`. */

/** How fast steps are done of late; moments are in milliseconds. */
export interface Meter {
  /** `step` steps are done now. */
  note(step: number, now: number): void;
  /** Null as long as it is not known. */
  stepsPerSecond(): number | null;
}

/** Older steps say little about the present speed. */
const window = 30_000;

/** @param step where the run begins, or goes on. */
export function createMeter(step: number, now: number): Meter {
  let notes = [{ step, now }];
  return {
    note(step, now) {
      const recent = notes.filter((note) => now - note.now <= window);
      // The one before the window spans steps that are longer than it.
      notes = [...(recent.length > 0 ? recent : notes.slice(-1)), { step, now }];
    },
    stepsPerSecond() {
      const [first, last] = [notes[0]!, notes.at(-1)!];
      return last.now > first.now && last.step > first.step
        ? (1000 * (last.step - first.step)) / (last.now - first.now)
        : null;
    },
  };
}

export interface Progress {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly stepsPerSecond: number | null;
}

/** Without the stage, which labels the line. */
export function progressLine({ step, steps, loss, stepsPerSecond }: Progress): string {
  const known = [`${step} of ${steps} steps`, `loss ${showLoss(loss)}`];
  if (stepsPerSecond === null) return known.join(", ");
  const left = showSpan((steps - step) / stepsPerSecond);
  return [...known, showRate(stepsPerSecond), `${left} left`].join(", ");
}

function showLoss(loss: number): string {
  return loss !== 0 && Math.abs(loss) < 1e-3 ? loss.toExponential(2) : loss.toPrecision(3);
}

function showRate(stepsPerSecond: number): string {
  if (stepsPerSecond < 1) return `${(1 / stepsPerSecond).toPrecision(3)} s a step`;
  return `${stepsPerSecond.toFixed(stepsPerSecond < 9.95 ? 1 : 0)} steps/s`;
}

/** `45 s`, `2 min 5 s`, `3 h 20 min`: two units, rounded up so that it ends with the work. */
function showSpan(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.ceil(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
