import type { Role } from '../store/schema.ts';

/** What a route asks for. `public` needs no credential at all. */
export type RouteRole = 'public' | 'viewer' | 'operator' | 'approver' | 'admin';

// An operator does not decide and an approver does not dispatch: a second person is only one if the roles are apart.
const MAY: Readonly<Record<Role, readonly RouteRole[]>> = {
  viewer: ['viewer'],
  operator: ['viewer', 'operator'],
  approver: ['viewer', 'approver'],
  service: ['viewer', 'operator'],
  admin: ['viewer', 'operator', 'approver', 'admin'],
};

/** Whether an operator of this role may use a route. */
export const roleAllows = (role: Role, needed: RouteRole): boolean => needed === 'public' || MAY[role].includes(needed);
