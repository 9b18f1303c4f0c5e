import { type ILookaheadStrategy, LLkLookaheadStrategy } from "chevrotain";

type Alternation = ILookaheadStrategy["buildLookaheadForAlternation"];
type Optional = ILookaheadStrategy["buildLookaheadForOptional"];
type Parser = ThisParameterType<ReturnType<Optional>>;
type Decision<A extends unknown[], R> = (this: Parser, ...args: A) => R;

/**
 * Chevrotain's LL(k), but what a choice has to look at is worked out when a text first comes to it:
 * most texts use few of the rules, and all of them take a third of the parser's start.
 */
export class LookaheadOnDemand extends LLkLookaheadStrategy {
  override buildLookaheadForAlternation(...options: Parameters<Alternation>) {
    return onDemand(() => super.buildLookaheadForAlternation(...options));
  }

  override buildLookaheadForOptional(...options: Parameters<Optional>) {
    return onDemand(() => super.buildLookaheadForOptional(...options));
  }
}

function onDemand<A extends unknown[], R>(build: () => Decision<A, R>): Decision<A, R> {
  let decide: Decision<A, R> | undefined;
  return function (...args) {
    decide ??= build();
    return decide.apply(this, args);
  };
}
