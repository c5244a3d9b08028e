// Certificates for servers in tests. The emulator makes its own, and a second maker would be one too many.
export { type Certificate, createCertificate } from '../../packages/cosmos-emulator/src/tls/certificate.ts';
