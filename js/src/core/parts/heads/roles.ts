import { type Signal, signal } from "@preact/signals";
import { createContext } from "preact";

/** What a head is called for where it looks: the kind of score, and the score. */
export interface Role {
  kind: "previous" | "induction" | "duplicate";
  score: number;
}

/** In the field's words. */
export const ROLE_NAMES: Readonly<Record<Role["kind"], string>> = {
  previous: "previous token",
  induction: "induction",
  duplicate: "duplicate token",
};

/** The roles that were found, by `layer head`. Most heads have none. */
export type FoundRoles = ReadonlyMap<string, Role>;

const NONE: FoundRoles = new Map();

/** A signal, so that whoever draws everything need not do so again when roles are found. */
export const Roles = createContext<Signal<FoundRoles>>(signal(NONE));

export function makeRoles(): Signal<FoundRoles> {
  return signal(NONE);
}

/** The role of a head, where somebody has found the roles; null for most. */
export function roleIn(roles: FoundRoles, layer: number, head: number): Role | null {
  return roles.get(`${layer} ${head}`) ?? null;
}

/** ` previous token 0.93`, for what is said of a head on hover and aloud. */
export function roleWords(role: Role | null): string {
  return role ? `, ${ROLE_NAMES[role.kind]} ${role.score.toFixed(2)}` : "";
}
