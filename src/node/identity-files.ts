// Names of what IdentityStore keeps, for who only looks.
export const IDENTITY_FOLDER = 'identity';
export const CHAIN_FILE = 'device.pem';
