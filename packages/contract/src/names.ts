/** Names of machines, networks, volumes and the like. */
export const namePattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$";
