/** The wall display: dark, in type that is read from three metres, names masked, without the controls of a desk. */

const root = document.documentElement;

/** Whether the page is a wall now. */
export const isWall = () => "wall" in root.dataset;

/** Turns the wall on or off; kept in this tab only, so that a desk never stays one by accident. */
export function wall(on) {
  if (on) root.dataset.wall = "";
  else delete root.dataset.wall;
  try {
    on ? sessionStorage.setItem("careboard.wall", "1") : sessionStorage.removeItem("careboard.wall");
  } catch {
    // It then holds for this page alone.
  }
  if (on) root.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
}
