//! How it travels: sessions over real transports, behind two small faces.
