// Runs before the first paint (the one classic script), so that a chosen theme never flickers.
(() => {
  const root = document.documentElement;
  root.dataset.script = "";
  try {
    if (sessionStorage.getItem("careboard.wall")) root.dataset.wall = "";
  } catch {
    // A wall that cannot be kept is turned on again by hand.
  }
  for (const name of ["theme", "density"]) {
    try {
      const value = localStorage.getItem(`careboard.${name}`);
      if (value) root.dataset[name] = value;
    } catch {
      // Storage may be closed to us; the page then follows the system.
    }
  }
})();
