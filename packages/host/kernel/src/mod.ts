export { createKernels, type KernelsOptions } from "./kernels.ts";
