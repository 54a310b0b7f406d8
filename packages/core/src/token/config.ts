/** random bytes of a token's value */
export const TOKEN_SECRET_BYTES = 32;
/** bytes of a token's id; it is written as twice as many hex digits */
export const TOKEN_ID_BYTES = 8;
/** ms between two looks at the clock while a token that expires is in use: timers hold no longer spans */
export const EXPIRY_LOOK_MS = 3_600_000;
