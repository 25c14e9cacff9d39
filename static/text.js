/** Text as people read it. */

/** 'on the road' -> 'On the road'. */
export const upper = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
