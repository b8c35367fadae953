import { type Signal, signal } from "@preact/signals";
import { createContext } from "preact";

/** What a head is called for where it looks or what it writes: the kind of score, and the score. */
export interface Role {
  kind: "previous" | "induction" | "duplicate" | "copies";
  score: number;
}

/** In the field's words. */
export const ROLE_NAMES: Readonly<Record<Role["kind"], string>> = {
  previous: "previous token",
  induction: "induction",
  duplicate: "duplicate token",
  copies: "copies",
};

/** The roles that were found, by `layer head`: most heads have none, some look and copy. */
export type FoundRoles = ReadonlyMap<string, readonly Role[]>;

const NONE: FoundRoles = new Map();

/** A signal, so that whoever draws everything need not do so again when roles are found. */
export const Roles = createContext<Signal<FoundRoles>>(signal(NONE));

export function makeRoles(): Signal<FoundRoles> {
  return signal(NONE);
}

/** The roles of a head, where somebody has found them; of most none. */
export function rolesOf(roles: FoundRoles, layer: number, head: number): readonly Role[] {
  return roles.get(`${layer} ${head}`) ?? [];
}

/** `, induction 0.93, copies 1.00`, for what is said of a head on hover and aloud. */
export function roleWords(roles: readonly Role[]): string {
  return roles.map((role) => `, ${ROLE_NAMES[role.kind]} ${role.score.toFixed(2)}`).join("");
}

/** The kinds as style sheets know them; undefined for a head without any. */
export function roleMark(roles: readonly Role[]): string | undefined {
  return roles.map((role) => role.kind).join(" ") || undefined;
}
