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

/** The role of a head, where somebody has found the roles; null for most. */
export type RoleOf = (layer: number, head: number) => Role | null;

export const Roles = createContext<RoleOf>(() => null);

/** ` previous token 0.93`, for what is said of a head on hover and aloud. */
export function roleWords(role: Role | null): string {
  return role ? `, ${ROLE_NAMES[role.kind]} ${role.score.toFixed(2)}` : "";
}
