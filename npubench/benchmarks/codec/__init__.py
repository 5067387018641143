"""The stage `codec`: video decoders and encoders, JPEG and image operations, whoever makes the chip."""
