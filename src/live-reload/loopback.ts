/** Names and addresses of this machine. Other names may have been pointed at it by an attacker (DNS rebinding). */

/** A pattern for a loopback name or address, with or without a port. */
export const loopback: string = String.raw`(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?`;

const host = new RegExp(`^${loopback}$`, 'i');

/** Whether the header `Host` of a request names this machine. */
export const isLoopbackHost = (header: string): boolean => host.test(header);

/** Whether the address of a peer, as Node reports it, is that of this machine. */
export const isLoopbackAddress = (address = ''): boolean => /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i.test(address);
