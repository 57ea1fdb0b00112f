/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a skel returns. The host sees these values as they are, except that codes which the DSP's
 * own software gives (not the skel) carry AEE_DSP_OFFSET on top: 0x80000406 is "the DSP could not
 * load the library".
 */
#ifndef AEESTDERR_H
#define AEESTDERR_H

#define AEE_DSP_OFFSET 0x80000400

#define AEE_SUCCESS		0
#define AEE_EFAILED		0x1	/* general failure */
#define AEE_ENOMEMORY		0x2
#define AEE_ECLASSNOTSUPPORT	0x3
#define AEE_EVERSIONNOTSUPPORT	0x4
#define AEE_EALREADYLOADED	0x5
#define AEE_EUNABLETOLOAD	0x6	/* library missing, unsigned, or for another machine */
#define AEE_EUNABLETOUNLOAD	0x7
#define AEE_EALARMPENDING	0x8
#define AEE_EINVALIDTIME	0x9
#define AEE_EBADCLASS		0xa
#define AEE_EBADMETRIC		0xb
#define AEE_EEXPIRED		0xc	/* timed out */
#define AEE_EBADSTATE		0xd
#define AEE_EBADPARM		0xe
#define AEE_ESCHEMENOTSUPPORTED	0xf
#define AEE_EBADITEM		0x10	/* malformed */
#define AEE_EINVALIDFORMAT	0x11
#define AEE_EINCOMPLETEITEM	0x12
#define AEE_ENOPERSISTMEMORY	0x13
#define AEE_EUNSUPPORTED	0x14
#define AEE_EPRIVLEVEL		0x15
#define AEE_ERESOURCENOTFOUND	0x16
#define AEE_EREENTERED		0x17
#define AEE_EBADTASK		0x18
#define AEE_EALLOCATED		0x19
#define AEE_EALREADY		0x1a
#define AEE_EADSAUTHBAD		0x1b
#define AEE_ENEEDSERVICEPROG	0x1c
#define AEE_EMEMPTR		0x1d
#define AEE_EHEAP		0x1e
#define AEE_EIDLE		0x1f
#define AEE_EITEMBUSY		0x20
#define AEE_EBADSID		0x21
#define AEE_ENOTYPE		0x22
#define AEE_ENEEDMORE		0x23
#define AEE_EADSCAPS		0x24
#define AEE_EBADSHUTDOWN	0x25
#define AEE_EBUFFERTOOSMALL	0x26
#define AEE_ENOSUCH		0x27
#define AEE_EACKPENDING		0x28
#define AEE_ENOTOWNER		0x29
#define AEE_EINVALIDITEM	0x2a
#define AEE_ENOTALLOWED		0x2b
#define AEE_EINVHANDLE		0x2c
#define AEE_EOUTOFHANDLES	0x2d
#define AEE_EINTERRUPTED	0x2e
#define AEE_ENOMORE		0x2f
#define AEE_ECPUEXCEPTION	0x30
#define AEE_EREADONLY		0x31
#define AEE_ENOSUCHSYMBOL	0x42	/* the library has no such function */
#define AEE_ENOSUCHMAP		0x48	/* no buffer is mapped there or under that key */
#define AEE_EBADDOMAIN		0x4b
#define AEE_EBADPERMS		0x4e
#define AEE_ENORPCMEMORY	0x68
#define AEE_ECONNRESET		0x68
#define AEE_ENOTINITIALIZED	0x6b
#define AEE_ECONNREFUSED	0x72
#define AEE_ENOSESSION		0x8a
#define AEE_EBUSY		0x183
#define AEE_ESTUBSKELVERMISMATCH 0x194	/* stub and skel were made from different interfaces */
#define AEE_ERPC		0x200
#define AEE_EFILE		0x201
#define AEE_EWOULDBLOCK		0x204

#endif
