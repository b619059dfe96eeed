// The release comes from the function's configuration: `environment` in albacore.yaml.
const release = process.env.RELEASE;

export const handler = async () => ({
  statusCode: 200,
  headers: { "Content-Type": "text/plain", "X-Release": release },
  body: `checkout ${release}\n`,
});
