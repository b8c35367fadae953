// What a page can ask the kernel, with the types that its declarations in Python give.

/** Names of an answer's variables by kind, and the type of its attributes. */
export interface AnswerType {
  numbers: string;
  texts: string;
  attrs: object;
}

/** `method` is `view/question`. `args` and `answer` carry types only. */
export interface Question<Args extends object = object, A extends AnswerType = AnswerType> {
  readonly method: string;
  /** About the session itself: asked once for all views of the page. */
  readonly shared?: boolean;
  readonly args?: Args;
  readonly answer?: A;
}

/** A question that changes the session and answers with the revision it led to. */
export interface Command<Args extends object = object> {
  readonly method: string;
  readonly args?: Args;
}

/** An option of a view: the trait's name, what it starts from, and whether a value is one. */
export interface OptionSpec<T> {
  readonly name: string;
  readonly initial: T;
  is(value: unknown): value is T;
}
