/** Where this phone is, for who allows it: asked for when a dialog opens, so that nobody waits for it. */

const PATIENCE = 8000;
const FRESH = 60_000;
// A phone that is less sure than this proves nothing.
const SURE_METERS = 250;

/**
 * The place as the server takes it, and when it was found; null where it is not allowed, not sure enough, or takes too long.
 * @returns {Promise<{point: object, at: string} | null>}
 */
export function findPlace() {
  if (!navigator.geolocation) return Promise.resolve(null);
  const found = new Promise((done) => {
    const take = ({ coords, timestamp }) => done(coords.accuracy > SURE_METERS ? null : {
      point: { __type: "GeoPoint", latitude: coords.latitude, longitude: coords.longitude }, at: new Date(timestamp).toISOString(),
    });
    navigator.geolocation.getCurrentPosition(take, () => done(null), { enableHighAccuracy: true, maximumAge: FRESH, timeout: PATIENCE });
  });
  return Promise.race([found, new Promise((done) => setTimeout(done, PATIENCE, null))]);
}
