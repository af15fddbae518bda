// SPDX-License-Identifier: Apache-2.0
#include "decode/cursor.hpp"

#include <doctest/doctest.h>

#include "octets.hpp"

using namespace spanflow;
using spanflow::test::hex;

TEST_CASE("a cursor reads big-endian and moves on") {
  const auto octets = hex("01 02 03 04 05 06 07 08");
  Cursor cursor(octets.data(), octets.size(), octets.size());
  const auto header = cursor.take<6>();
  CHECK(header.u8<0>() == 0x01);
  CHECK(header.be16<1>() == 0x0203);
  CHECK(header.be32<2>() == 0x03040506);
  CHECK(cursor.offset() == 6);
  CHECK(cursor.claimed() == 2);
  CHECK_FALSE(cursor.failed());
}

TEST_CASE("a read past the capture yields zeros and latches truncated") {
  const auto octets = hex("ff ff ff");
  Cursor cursor(octets.data(), 3, 10);
  CHECK(cursor.take<4>().be32<0>() == 0);
  CHECK(cursor.shortage() == Cursor::Shortage::truncated);
}

TEST_CASE("a read past what the packet claims is malformed, whatever was captured") {
  const auto octets = hex("ff ff ff ff ff ff");
  Cursor cursor(octets.data(), 6, 6);
  cursor.skip(1);
  cursor.claim(3);
  CHECK(cursor.peek<3>().u8<2>() == 0xff);
  CHECK(cursor.peek<4>().be32<0>() == 0);
  CHECK(cursor.shortage() == Cursor::Shortage::malformed);
}

TEST_CASE("the first reason stays") {
  const auto octets = hex("ff");
  Cursor cursor(octets.data(), 1, 4);
  CHECK_FALSE(cursor.has(2));
  CHECK_FALSE(cursor.has(5));
  CHECK(cursor.shortage() == Cursor::Shortage::truncated);
}

TEST_CASE("an empty frame has nothing") {
  Cursor cursor(nullptr, 0, 0);
  CHECK(cursor.peek<1>().u8<0>() == 0);
  CHECK(cursor.claimed() == 0);
  CHECK(cursor.failed());
}
