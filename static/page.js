/** A page that only stands there: the frame with its bell, live. */

import { frame } from "./frame.js";

frame().live.start();
