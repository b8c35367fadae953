/** Made by build.mjs: the explorer's own modules by path, for the views that it shows in tabs. */
declare module "lw-host" {
  export const modules: Readonly<Record<string, unknown>>;
}
